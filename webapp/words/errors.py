"""What the store and the service refuse, in words; the key is `error.` and the error's code.

`.bare` is the sentence for a refusal that has nothing to say where the other would fill something in.
"""

TEXTS = {
    # Accounts
    "error.wrong_credentials": ("Adresse e-mail ou mot de passe incorrect.", "Wrong e-mail address or password."),
    "error.locked": (
        "Trop de tentatives. Réessayez dans {minutes} {minutes:minute|minutes}.",
        "Too many attempts. Try again in {minutes} {minutes:minute|minutes}.",
    ),
    "error.blocked": (
        "Ce compte est bloqué. Motif : {reason}. Contactez un administrateur.",
        "This account is blocked. Reason: {reason}. Contact an administrator.",
    ),
    "error.blocked.bare": (
        "Ce compte est bloqué. Contactez un administrateur.",
        "This account is blocked. Contact an administrator.",
    ),
    "error.session_over": (
        "Votre session est terminée. Connectez-vous à nouveau.",
        "Your session has ended. Please sign in again.",
    ),
    "error.no_token": ("Connectez-vous d'abord.", "Please sign in first."),
    "error.forbidden": ("Vous n'avez pas le droit de faire cela.", "You are not allowed to do this."),
    "error.wrong_password": ("Le mot de passe actuel est incorrect.", "The current password is wrong."),
    "error.weak_password": (
        "Le mot de passe doit compter de {least} à {most} caractères.",
        "The password must have {least} to {most} characters.",
    ),
    "error.passwords_differ": (
        "Les deux nouveaux mots de passe sont différents.",
        "The two new passwords differ.",
    ),
    "error.email_taken": ("Un compte existe déjà avec cette adresse.", "There is an account with this address."),
    "error.bad_email": ("Cette adresse e-mail n'est pas valable.", "This is no valid e-mail address."),
    "error.bad_role": ("Ce rôle n'existe pas.", "There is no such role."),
    "error.bad_language": ("Cette langue n'est pas proposée.", "This language is not on offer."),
    "error.not_oneself": (
        "Vous ne pouvez pas faire cela sur votre propre compte.",
        "You cannot do this to your own account.",
    ),
    "error.user_not_found": ("Ce compte est introuvable.", "This account was not found."),
    # Products
    "error.product_not_found": ("Produit {id:id} introuvable.", "Product {id:id} was not found."),
    "error.category_not_allowed": (
        "La catégorie {code:id} n'est pas autorisée. Catégories autorisées : {allowed:categories}.",
        "Category {code:id} is not allowed. Allowed categories: {allowed:categories}.",
    ),
    "error.category_needed": ("Choisissez une catégorie.", "Choose a category."),
    "error.image_missing": ("Ajoutez une image du produit.", "Add a picture of the product."),
    "error.image_unknown": (
        "Cette image n'a pas été enregistrée. Ajoutez-la à nouveau.",
        "This picture was not stored. Add it again.",
    ),
    "error.title_missing": ("Indiquez un titre.", "Please give a title."),
    "error.text_too_long": (
        "Ce texte compte {length} caractères ; {most} au plus sont possibles.",
        "This text has {length} characters; at most {most} are possible.",
    ),
    "error.bad_text": (
        "Ce texte contient des caractères qui ne peuvent pas être enregistrés.",
        "This text holds characters that cannot be stored.",
    ),
    "error.bad_rating": ("La note va de 1 à 5.", "The rating goes from 1 to 5."),
    "error.changed_meanwhile": (
        "Le produit a été modifié entre-temps. Rechargez la page et recommencez.",
        "The product was changed meanwhile. Reload the page and try again.",
    ),
    "error.already_decided": (
        "Un administrateur a déjà tranché pour ce produit.",
        "An administrator has already decided on this product.",
    ),
    "error.not_classified_yet": (
        "Ce produit n'est pas encore classé. Patientez un instant.",
        "This product is not classified yet. Please wait a moment.",
    ),
    "error.withdrawn": ("Ce produit a été retiré.", "This product was withdrawn."),
    "error.key_missing": ("L'envoi n'a pas de clé d'idempotence.", "The submission has no idempotency key."),
    # Review
    "error.reason_needed": ("Indiquez un motif.", "Please give a reason."),
    "error.claimed": ("{by} examine déjà ce produit.", "{by} is already looking at this product."),
    "error.too_many_at_once": (
        "Au plus {most} produits à la fois.",
        "At most {most} products at once.",
    ),
    "error.already_asked": ("Un réentraînement a déjà été demandé.", "A retraining has already been asked for."),
    # Everything
    "error.bad_cursor": ("Cette page de la liste n'existe pas.", "There is no such page of the list."),
    "error.not_found": ("Cet élément est introuvable.", "This was not found."),
    "error.card_not_found": ("Ce modèle n'a pas de fiche.", "This model has no card."),
    "error.page_not_found": (
        "L'adresse est peut-être incomplète, ou la page n'existe plus.",
        "The address may be incomplete, or the page is gone.",
    ),
    "error.foreign_origin": (
        "Cette demande vient d'un autre site ; elle a été refusée.",
        "This request came from another site; it was refused.",
    ),
    "error.too_large": ("L'envoi est trop volumineux.", "What was sent is too large."),
    "error.failed": (
        "Une erreur est survenue. Réessayez dans un instant.",
        "Something went wrong. Try again in a moment.",
    ),
    "error.unknown": ("La demande a été refusée ({code}).", "The request was refused ({code})."),
}
